terraform {
  required_version = ">= 1.9"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.0, < 8.0"
    }
  }
}

# Who applies it is who is logged in (`gcloud auth application-default login`): no key is named anywhere here.
provider "google" {
  project = var.project
  region  = var.location
}
