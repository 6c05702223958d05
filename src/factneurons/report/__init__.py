"""The report of a run: numbers with intervals, charts and a section per fact, in one HTML file.

run_report("runs/gpt2")                     runs/gpt2/report.html
run_report("runs/gpt2", figures=("png",))   the charts as files too, in runs/gpt2/figures
"""
