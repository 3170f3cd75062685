output "store" {
  description = "What tidemark is given as --store"
  value       = "s3://${aws_s3_bucket.store.id}/${local.prefix}"
}

output "policy_arn" {
  description = "Policy to attach to whoever runs tidemark"
  value       = aws_iam_policy.store.arn
}
