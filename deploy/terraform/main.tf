# The bucket of a tidemark and the rights that it needs there, no more: it reads, writes, lists and deletes objects below one
# prefix. Whoever runs it (a role of a node, of a pod, a user) is given the policy.
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

data "aws_iam_policy_document" "store" {
  # Of the whole bucket: with a condition on the prefix S3 answers 403 instead of 404 for an object that does not exist, and
  # tidemark must know which of both it is.
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

resource "aws_iam_policy" "store" {
  name        = "${var.bucket}-tidemark"
  description = "Objects of tidemark below s3://${var.bucket}/${local.prefix}"
  policy      = data.aws_iam_policy_document.store.json
  tags        = var.tags
}
