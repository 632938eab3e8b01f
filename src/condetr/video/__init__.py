"""Video: frames of files and cameras, annotated MP4, tracking. Only this package imports PyAV."""
