# The bucket of a tidemark and the rights that its processes need there, no more: a policy for each role of tidemark serve. Whoever runs a
# process (a role of a node, of a pod, a user) is given the policies of its roles; of one that has all of them schedule's is enough.
#
#   terraform init && terraform apply -var bucket=my-tidemark

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0, < 7.0"
    }
  }
}

locals {
  prefix  = trim(var.prefix, "/")
  objects = "${aws_s3_bucket.store.arn}/${local.prefix}/*"
}

resource "aws_s3_bucket" "store" {
  bucket = var.bucket
  tags   = var.tags

  lifecycle {
    prevent_destroy = true # it holds the events themselves
  }
}

resource "aws_s3_bucket_public_access_block" "store" {
  bucket                  = aws_s3_bucket.store.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "store" {
  bucket = aws_s3_bucket.store.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# Objects never change, so that versions would only keep what clean-up has deleted. What is deleted by mistake is kept for
# a while nevertheless.
resource "aws_s3_bucket_versioning" "store" {
  bucket = aws_s3_bucket.store.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "store" {
  bucket     = aws_s3_bucket.store.id
  depends_on = [aws_s3_bucket_versioning.store]

  rule {
    id     = "deleted-objects"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.keep_deleted_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # A process that was killed leaves parts of an upload behind, which no listing shows and which cost nevertheless.
  rule {
    id     = "abandoned-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

# Listing is of the whole bucket: with a condition on the prefix S3 answers 403 instead of 404 for an object that does not exist, and
# tidemark must know which of both it is.

# Statements are answered from what others have written.
data "aws_iam_policy_document" "query" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
  }

  statement {
    sid       = "Objects"
    actions   = ["s3:GetObject"]
    resources = [local.objects]
  }
}

# Staged files and quarantine; nothing is removed.
data "aws_iam_policy_document" "ingest" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
  }

  statement {
    sid       = "Objects"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [local.objects]
  }
}

# Cuboids, manifests, dictionaries; nothing is removed.
data "aws_iam_policy_document" "build" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
  }

  statement {
    sid       = "Objects"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [local.objects]
  }
}

# Definitions, lookup tables, backups; and clean-up, which is the only one that removes.
data "aws_iam_policy_document" "schedule" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.store.arn]
  }

  statement {
    sid       = "Objects"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [local.objects]
  }
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "OnlyTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.store.arn, "${aws_s3_bucket.store.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "store" {
  bucket     = aws_s3_bucket.store.id
  policy     = data.aws_iam_policy_document.bucket.json
  depends_on = [aws_s3_bucket_public_access_block.store]
}

resource "aws_iam_policy" "role" {
  for_each = {
    ingest   = data.aws_iam_policy_document.ingest.json
    schedule = data.aws_iam_policy_document.schedule.json
    build    = data.aws_iam_policy_document.build.json
    query    = data.aws_iam_policy_document.query.json
  }

  name        = "${var.bucket}-tidemark-${each.key}"
  description = "Role ${each.key} of tidemark: objects below s3://${var.bucket}/${local.prefix}"
  policy      = each.value
  tags        = var.tags
}
