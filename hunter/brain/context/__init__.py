"""What people want to know beside a signal and no model sees: volumes, large prints, walls."""
