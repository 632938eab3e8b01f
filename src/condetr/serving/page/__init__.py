"""The web page of `condetr demo`."""
