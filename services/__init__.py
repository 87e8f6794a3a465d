"""Use cases that every channel shares, one verb a file, and the ports that the edges implement.

A use case owns its transaction; a plain read needs none.
"""
