"""Results of one long frame, made period by period: what is over is computed once."""
