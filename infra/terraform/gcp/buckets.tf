resource "google_storage_bucket" "corpora" {
  for_each = var.buckets

  name     = each.key
  location = var.location

  # Rights are those of identities.tf, for whole buckets, and never the public's.
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  soft_delete_policy {
    retention_duration_seconds = var.kept_days * 86400
  }

  versioning {
    enabled = var.versions
  }

  dynamic "lifecycle_rule" {
    for_each = var.versions ? [max(var.kept_days, 7)] : []
    content {
      condition {
        days_since_noncurrent_time = lifecycle_rule.value
        with_state                 = "ARCHIVED"
      }
      action {
        type = "Delete"
      }
    }
  }

  # What an upload in parts left that was never finished is paid for, and seen by nobody.
  lifecycle_rule {
    condition {
      age = 1
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }
}
