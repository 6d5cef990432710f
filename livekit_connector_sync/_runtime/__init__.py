"""What the public modules stand on; nothing in here is part of the interface."""
