"""The baseline of the API: the least a Django project with DRF can be, one table, one view each way."""
