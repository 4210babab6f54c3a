# docker buildx bake                                     every image for x86-64 and arm64, into the builder's cache
# docker buildx bake api --load --set '*.platform=linux/amd64'     one image for this machine, into its engine
# REGISTRY=… VERSION=… docker buildx bake --push                     a release; see .github/workflows/release.yml

variable "REGISTRY" {
  default = ""
}

variable "VERSION" {
  default = "dev"
}

variable "REVISION" {
  default = ""
}

# Empty: the base that the Dockerfiles name.
variable "BASE_IMAGE" {
  default = ""
}

group "default" {
  targets = ["api", "api-gpu", "train"]
}

target "image" {
  context   = "."
  platforms = ["linux/amd64", "linux/arm64"]
  args = {
    BASE_IMAGE = BASE_IMAGE != "" ? BASE_IMAGE : null
  }
  labels = {
    "org.opencontainers.image.version"  = VERSION
    "org.opencontainers.image.revision" = REVISION
  }
}

target "api" {
  inherits   = ["image"]
  dockerfile = "Dockerfile.api"
  tags       = [REGISTRY != "" ? "${REGISTRY}/cxr-api:${VERSION}" : "cxr-api:${VERSION}"]
}

target "api-gpu" {
  inherits   = ["image"]
  dockerfile = "Dockerfile.api"
  args = {
    RUNTIME = "gpu"
  }
  tags = [REGISTRY != "" ? "${REGISTRY}/cxr-api-gpu:${VERSION}" : "cxr-api-gpu:${VERSION}"]
}

target "train" {
  inherits   = ["image"]
  dockerfile = "Dockerfile.train"
  tags       = [REGISTRY != "" ? "${REGISTRY}/cxr-trainer:${VERSION}" : "cxr-trainer:${VERSION}"]
}
