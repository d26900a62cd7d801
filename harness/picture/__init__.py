"""Decoded pictures: what each should look like, how far it is from that, and the threads that decode them."""
