"""MIME as HTTP and DICOMweb use it: headers with parameters, multipart bodies, data sets in XML; knows no films."""
