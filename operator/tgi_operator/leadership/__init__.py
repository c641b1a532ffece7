"""Who works: of all operators in a namespace one, by a Lease, and each write asks whether it still is this one."""
