"""Transfers of data sets, checked and resumable."""
