"""WHERE: regions, the lattice, seeded draws, patches."""
