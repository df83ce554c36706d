"""PyTorch modules and ``.pt2`` files, read through ``torch.export``."""
