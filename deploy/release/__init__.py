"""What a release needs beside the code: agreement of version, tag and changelog, images by digest, notes, checksums.

`python -m deploy.release` runs it. The standard library is enough, because the release workflow calls it before
anything
is installed; only printing the steps of the workflow needs PyYAML. The steps themselves: .github/workflows/release.yml.
"""
