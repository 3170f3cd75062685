output "store" {
  description = "What tidemark is given as --store"
  value       = "s3://${aws_s3_bucket.store.id}/${local.prefix}"
}

output "policy_arns" {
  description = "Policies to attach to whoever runs a process, by its role"
  value       = { for role, policy in aws_iam_policy.role : role => policy.arn }
}
