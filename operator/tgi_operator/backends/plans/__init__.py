"""What a plan is, and what every backend reports in the same words: verdicts, scaling, schedules."""
