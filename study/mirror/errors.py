"""What can be wrong with a store of objects, each as a sentence that says what to do."""

from __future__ import annotations

from study.base.errors import StudyError


class StoreError(StudyError):
    """The store cannot do what was asked of it."""


class UnreachableError(StoreError):
    """It does not answer, or too slowly, or with errors of its own."""


class WrongRegionError(StoreError):
    """The bucket is in another region."""


class NoBucketError(StoreError):
    """There is no such bucket, or no such folder."""


class WrongCredentialsError(StoreError):
    """It does not know who asks."""


class DeniedError(StoreError):
    """It knows who asks, and does not allow it."""


class MissingError(StoreError):
    """There is no object of that name."""


_REMEDIES: dict[type[StoreError], str] = {
    UnreachableError: "see that it runs and can be reached from here (for a store that is not "
    "Amazon's or Google's, AWS_ENDPOINT_URL says where it is)",
    WrongRegionError: "set AWS_REGION to the bucket's region",
    NoBucketError: "create it, or correct storage.mirror",
    WrongCredentialsError: "give them in the environment (AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, or GOOGLE_APPLICATION_CREDENTIALS); files of the AWS command line are "
    "not read",
    DeniedError: "allow reading, writing, listing and deleting below that address",
    MissingError: "it was deleted meanwhile, or the address is another's",
}

_CREDENTIALS = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AuthFailure",
    "169.254.169.254",  # Without any in the environment, the machine's own are asked for there.
    "metadata.google.internal",
)
_REGION = (
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraint",
    "redirect without LOCATION",  # What the library makes of S3's answer 301.
)
_BUCKET = ("NoSuchBucket", "bucket does not exist")


def in_words(error: Exception, url: str, deed: str) -> StoreError:
    """Return what an error of the library means.

    Args:
        error: the library's.
        url: the store's address.
        deed: what was tried, as in "written to".
    """
    kind = _kind(type(error).__name__, str(error))
    said = " ".join(str(error).split())[:300]
    return kind(f"the store {url} must be {deed}, and cannot be: {said}; {_REMEDIES[kind]}")


def _kind(name: str, text: str) -> type[StoreError]:
    if any(word in text for word in _BUCKET):
        return NoBucketError
    if any(word in text for word in _REGION):
        return WrongRegionError
    if name == "UnauthenticatedError" or any(word in text for word in _CREDENTIALS):
        return WrongCredentialsError
    if name in {"PermissionDeniedError", "PermissionError"} or "Permission denied" in text:
        return DeniedError
    if name in {"NotFoundError", "FileNotFoundError"}:
        return MissingError
    return UnreachableError
