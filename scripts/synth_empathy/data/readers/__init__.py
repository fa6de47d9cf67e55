"""Readers: each turns a data set's raw files into samples; one file a reader, named in ``registry``."""
