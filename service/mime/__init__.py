"""MIME as HTTP and DICOMweb use it: values of headers, and multipart bodies; knows neither requests nor films."""
