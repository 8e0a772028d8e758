"""Keras classifier -> the formats of other programs, each checked against the classifier."""
