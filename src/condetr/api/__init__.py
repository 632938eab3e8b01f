"""What a person holds: `condetr.load` and the objects that it returns."""
