"""The commands `tgi-operator` and `kubectl tgi`."""
