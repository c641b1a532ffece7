"""The level-triggered loop: queue, store, worker, reconciler, Events, probes."""
