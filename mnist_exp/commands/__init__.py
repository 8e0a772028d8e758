"""The command line: one module or folder for each verb, and none imports another."""
