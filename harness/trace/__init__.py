"""The history of a run: clock, records, writer and reader. The one file format that all else reads."""
