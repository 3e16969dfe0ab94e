"""What happened in the CRM, as events: listened for, noted by triggers and by rooms of ours, kept for a while."""
