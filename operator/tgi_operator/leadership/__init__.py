"""Leader election: one operator in a namespace is the leader, by a Lease, which it checks before each write."""
