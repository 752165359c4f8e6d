"""Long work cut into items: sweeps that resume, and the files that batches of them leave."""
