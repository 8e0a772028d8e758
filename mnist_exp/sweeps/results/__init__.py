"""What came of the jobs, and what it says."""
