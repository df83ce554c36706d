"""Networks of Caffe and Caffe2, read by their protobuf schemas and put as ONNX, which its reader takes."""
