# Who builds and who trains. Neither has a key: pods of the clusters below become them.
resource "google_service_account" "writer" {
  account_id   = "deepsentinel-writer"
  display_name = "DeepSentinel: builds corpora"
}

resource "google_service_account" "trainer" {
  account_id   = "deepsentinel-trainer"
  display_name = "DeepSentinel: trains on corpora"
}

# What a destination asks of a bucket, and nothing else: to put an object (which to replace one needs the right to delete
# it), to read it and what is said of it, to list, to remove.
resource "google_project_iam_custom_role" "writer" {
  role_id     = "deepsentinelWriter"
  title       = "DeepSentinel: writes corpora"
  description = "Creates, reads, lists and removes objects."
  permissions = ["storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"]
}

resource "google_project_iam_custom_role" "reader" {
  role_id     = "deepsentinelReader"
  title       = "DeepSentinel: reads corpora"
  description = "Reads and lists objects."
  permissions = ["storage.objects.get", "storage.objects.list"]
}

resource "google_storage_bucket_iam_member" "writer" {
  for_each = google_storage_bucket.corpora

  bucket = each.value.name
  role   = google_project_iam_custom_role.writer.id
  member = google_service_account.writer.member
}

locals {
  readers = {
    for pair in setproduct(var.buckets, setunion(var.readers, ["trainer"])) : "${pair[0]}/${pair[1]}" => {
      bucket = pair[0]
      member = pair[1] == "trainer" ? google_service_account.trainer.member : pair[1]
    }
  }
}

resource "google_storage_bucket_iam_member" "reader" {
  for_each = local.readers

  bucket = google_storage_bucket.corpora[each.value.bucket].name
  role   = google_project_iam_custom_role.reader.id
  member = each.value.member
}

# A training job records itself beside its corpus; nothing else of a corpus can be written with this.
resource "google_storage_bucket_iam_member" "trainer" {
  for_each = google_storage_bucket.corpora

  bucket = each.value.name
  role   = google_project_iam_custom_role.writer.id
  member = google_service_account.trainer.member
  condition {
    title      = "records-of-training"
    expression = "resource.name.extract(\"/objects/{corpus}/training/\") != \"\""
  }
}

resource "google_project_iam_member" "earthengine" {
  for_each = var.earthengine ? toset(["roles/earthengine.viewer", "roles/serviceusage.serviceUsageConsumer"]) : toset([])

  project = var.project
  role    = each.key
  member  = google_service_account.writer.member
}
