"""Every method judged by planted models: their neurons are known, because they were put there.

contestants   who is judged
judging       one planted model judged
run           all models planted and judged, resumable
summary       means with intervals over models, paired comparisons
tables        the same as text
page          one HTML file with figures, and CSV files
"""
