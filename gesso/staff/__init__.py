"""The staff console: look anything up, change nothing that is money or history, grant credits with a reason."""
