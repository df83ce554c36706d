"""How to train, as data: losses, optimizers, schedules, metrics, augmentation."""
