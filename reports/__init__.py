"""Reports of a run: a run folder in; console, HTML, JUnit, JSON and CSV out."""
