"""How the tables came to be. Run by `gpuspawner.store.migrate`."""
