"""What a run keeps on disk: a manifest, tables in Parquet parts, and how to resume after anything.

Rows come in from the rooms below as plain values; this room knows their data types and nothing else of them.
"""
