"""For machines and development.

Health, metrics, files of pages, recordings, the way to the telephone.
"""
