"""What merging a change would do: the difference, the ramp, the samples each stage needs, the users exposed.

Pure: two states of the repository in, a document out; the same pair of commits gives the same bytes.
"""
