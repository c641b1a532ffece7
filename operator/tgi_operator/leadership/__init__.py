"""Leader election: a Lease makes one operator in a namespace the leader, and each write checks that it still is."""
