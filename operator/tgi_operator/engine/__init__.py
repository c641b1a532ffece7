"""The level-triggered loop: queue, store, reconciler, Events."""
