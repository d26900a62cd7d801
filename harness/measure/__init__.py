"""What a run measures: the catalogue of metrics, and the thresholds that judge them."""
