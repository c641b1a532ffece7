"""Plans, and everything that all backends report in the same way: verdicts, scaling, schedules."""
