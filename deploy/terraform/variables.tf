variable "bucket" {
  description = "Name of the bucket, which is made"
  type        = string
}

variable "prefix" {
  description = "Folder in the bucket below which tidemark keeps all objects"
  type        = string
  default     = "tidemark"

  validation {
    condition     = trim(var.prefix, "/") != ""
    error_message = "Give a prefix: the rights are limited to what is below it."
  }
}

variable "keep_deleted_days" {
  description = "Days for which objects that clean-up has deleted can be brought back"
  type        = number
  default     = 7
}

variable "tags" {
  description = "Tags of everything that is made"
  type        = map(string)
  default     = {}
}
