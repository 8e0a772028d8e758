"""Recorded runs, found and read with distrust.

runs        the store of the working folder, and what a user types for a run
experiment  its runs, local or of a server
selection   latest, best, @champion, names and ids
readable    whether a record can be one of mnist-exp's
artifacts   their bytes, of a limited size
evidence    what they prove
disk        how many bytes they take
"""
