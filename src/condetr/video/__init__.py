"""Moving images: frames of files and cameras, annotated MP4, identities over time. The one room that knows PyAV."""
